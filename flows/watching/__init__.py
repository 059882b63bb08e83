"""The command ``watch``: looks at production while a release is in force, and what an alarm sets going."""
