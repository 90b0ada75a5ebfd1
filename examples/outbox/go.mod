module github.com/gowarren/warren/examples/outbox

go 1.25.0

replace github.com/gowarren/warren => ../..

require (
	github.com/gowarren/warren v0.0.0
	github.com/jackc/pgx/v5 v5.7.6
	github.com/stretchr/testify v1.12.1
	modernc.org/sqlite v1.59.0
)
