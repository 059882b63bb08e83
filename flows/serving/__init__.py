"""The released model behind HTTP: ``loopwright serve``."""
