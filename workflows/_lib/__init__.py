"""Building blocks of the WorkflowTemplates."""
