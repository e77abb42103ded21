"""The predict handler beside scikit-learn and pandas: warm, cold, and in size."""
