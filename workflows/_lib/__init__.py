"""Parts that all WorkflowTemplates share."""
