"""Seven ways of non-maximum suppression on the same candidates: what each needs, keeps and costs, and their decisions on one clock."""
