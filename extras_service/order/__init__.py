"""The order aggregate: state, inputs, decisions and transitions."""
