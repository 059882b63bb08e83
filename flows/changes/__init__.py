"""What a way back changes: functions from a situation to a params patch (dotted key -> new value).

An empty patch means there is nothing left to change that way, and the row is refused.
"""
