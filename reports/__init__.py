"""Results to pages: HTML, Markdown and plots. Reads results, judges nothing."""
