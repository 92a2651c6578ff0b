"""Books what Bellhop reports onto the folios of Apaleo, a PMS: docs/apaleo.md."""
