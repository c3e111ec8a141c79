"""What computing costs: before a run, after it, and when nothing runs. Standard library only: the dispatcher has it."""
