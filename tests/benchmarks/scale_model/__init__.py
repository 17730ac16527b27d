"""A simulation of the deployed system, with service times that were measured on one machine.

``one_machine`` predicts what the peak benchmark has found, before ``deployed`` is believed.
"""
