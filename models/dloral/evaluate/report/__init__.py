"""The page that ``evaluate --html`` writes: everything that was measured, and pictures to judge it by."""
