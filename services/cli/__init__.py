"""The operator's command line, and the whole system on one machine. Wires and shows; decides nothing."""
