"""Files that scanners, phones and drawing programs write, and the grey pictures on their pages."""
