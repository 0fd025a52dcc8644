"""Pages of viewership: uploads, review and matching."""
