"""Supervised fine-tuning on TRL and PEFT."""
