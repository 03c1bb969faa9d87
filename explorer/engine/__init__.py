"""The worker thread that computes, and what it computes with."""
