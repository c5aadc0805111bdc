"""What people see of the truth: readings, posts, alerts. Truth in, columns out; nothing here knows files."""
