-- the lines of the table in docs/security.md
CREATE TEMP VIEW right_line AS
SELECT DISTINCT format('| `%s`%s | %s | %s | %s | %s | %s | %s | %s |', m.object,
	CASE m.kind WHEN 'function' THEN '()' ELSE '' END, coalesce(m.object_group, '?'),
	m.reader, m.operator, m.billing, m.approver, m.auditor, m.tenant) COLLATE "C" AS line
FROM finops.access_matrix m;
