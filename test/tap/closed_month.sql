-- A generated bill, allocated, reconciled, invoiced and locked through the
-- public functions; nothing here names a schema of the installation.
\set ON_ERROR_STOP 1
