"""A model check of the money: one order, its payment, the PSP and the messages between them, in every order."""
