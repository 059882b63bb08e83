"""How a test of the model came out, in the words of its table. No heavy import: the command line tells with them."""

PASSED, FAILED, UNSURE, TOLD, SKIPPED = "passed", "failed", "cannot tell", "told", "skipped"
