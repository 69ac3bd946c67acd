"""The data sets: IDX files as they are published, and the arrays that they become."""
