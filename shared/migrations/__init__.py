"""How each service's schema is migrated; the histories themselves live with the services."""
