"""Beat: what is scheduled, and which of several beats sends it."""
