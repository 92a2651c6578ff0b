"""What an e-mail says: templates by language, the order's and the hotel's data in them, and the message as bytes."""
