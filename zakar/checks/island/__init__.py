"""What a sceptic asks of the model `island`: a module a part of it, and the baselines."""
