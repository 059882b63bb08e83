"""Where does the loop go? Known faults are injected into real data; the row that fires is held against the truth."""
