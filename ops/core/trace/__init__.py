"""`bellhop trace`: the story of one order, from the message log and its documents' histories."""
