"""Development tools: the demo, embedded servers, drawn pictures. Not in the image."""
