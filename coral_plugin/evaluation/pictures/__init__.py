"""Pictures of results, each as PNG, PDF and CSV."""
