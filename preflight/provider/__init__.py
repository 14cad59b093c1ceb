"""The provider's side of a submission: its endpoint, its answers, and what its refusals mean."""
