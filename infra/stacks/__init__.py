"""The stacks that make a stage, and how they are deployed."""
