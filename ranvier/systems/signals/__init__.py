"""Systems that read signals: spike trains, sounds, movements."""
