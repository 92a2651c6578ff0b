"""One e-mail: what it is about, and what became of it. Its text is written when it is sent, and kept nowhere."""
