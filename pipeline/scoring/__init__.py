"""From a folder of pictures to a CSV with a row for each."""
