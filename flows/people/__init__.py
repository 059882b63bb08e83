"""People in the loop: labels, decisions that wait for an answer, and ways back while a run is going."""
