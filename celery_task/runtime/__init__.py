"""Infrastructure of tasks and workers: base task, publishing, metrics, health."""
