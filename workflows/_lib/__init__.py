"""What every WorkflowTemplate has in common."""
