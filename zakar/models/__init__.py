"""What a scenario's `model` stands for: a world and its observers, put together block by block."""
