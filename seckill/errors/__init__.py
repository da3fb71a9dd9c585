"""Error responses shared by the gate, the API and the pages."""
