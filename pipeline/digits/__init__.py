"""The domain: pictures of digits and the network that reads them. Arrays in, arrays out; no files, no settings."""
