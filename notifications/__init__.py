"""The notification service: e-mail to guests and reception about orders, and the addresses of guests."""
