"""The released model at work: new rows, what it answers of them, and the log of it. No DVC stage is in here."""
