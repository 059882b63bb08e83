"""The loop: the transition table, the decision, the Prefect flow, the record, the command line."""
