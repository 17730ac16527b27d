"""Lambda: functions in processes of their own, behind the Runtime API and the Invoke API."""
