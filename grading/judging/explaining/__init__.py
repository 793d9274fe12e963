"""Relations between what came back and what is right, each proven before it is said."""
