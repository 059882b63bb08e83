"""The commands of the flywheel: ``mine`` and ``flywheel``."""
