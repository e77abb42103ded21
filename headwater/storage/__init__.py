"""How the platform calls AWS: clients, DynamoDB tables, logged pointers, executions, pauses, bulk HTTP."""
