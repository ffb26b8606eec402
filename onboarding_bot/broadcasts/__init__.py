"""Broadcasts: what admins do with them, their audiences, the scheduler, the sender, and status callbacks."""
