"""The ground under every file that people write: types, reading with line numbers, errors."""
