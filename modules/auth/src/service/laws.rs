//! The laws of the domain that auth holds.

use kernel::db::Law;

pub(crate) const LAWS: &[Law] = &[
    Law {
        id: "A-1",
        description: "a refresh token that was used has been exchanged for another",
        violations: "SELECT COUNT(*) AS n FROM refresh_tokens t WHERE t.rotated_at IS NOT NULL \
            AND NOT EXISTS (SELECT 1 FROM refresh_tokens c WHERE c.parent_hash = t.hash)",
    },
    Law {
        id: "A-2",
        description: "a disabled user has no session",
        violations: "SELECT COUNT(*) AS n FROM sessions s JOIN users u ON u.id = s.user_id \
            WHERE s.ended_at IS NULL AND NOT u.is_active",
    },
    Law {
        id: "A-4",
        description: "every grant is a permission, a module's all, or all",
        violations: "SELECT COUNT(*) AS n FROM role_permissions p WHERE p.permission <> '*' \
            AND p.permission NOT LIKE '%_.*' AND p.permission NOT LIKE '%_._%:_%'",
    },
    Law {
        id: "A-6",
        description: "passwords are kept as argon2id hashes",
        violations: "SELECT COUNT(*) AS n FROM users WHERE password_hash NOT LIKE '$argon2id$%'",
    },
    Law {
        id: "A-7",
        description: "somebody active may do everything",
        violations: "SELECT 1 - COUNT(*) AS n FROM (SELECT 1 FROM users u \
            JOIN user_roles r ON r.user_id = u.id \
            JOIN role_permissions p ON p.role_id = r.role_id \
            WHERE u.is_active AND p.permission = '*' LIMIT 1) AS administrators",
    },
    Law {
        id: "A-8",
        description: "who has a second factor has what its codes are made of",
        violations: "SELECT COUNT(*) AS n FROM users u WHERE (u.second_factor_at IS NOT NULL) \
            <> EXISTS (SELECT 1 FROM totp_secrets t WHERE t.user_id = u.id \
            AND t.confirmed_at IS NOT NULL)",
    },
    Law {
        id: "A-9",
        description: "who was invited has no session and no API key",
        violations: "SELECT COUNT(*) AS n FROM users u WHERE u.hold = 'invited' AND (u.is_active \
            OR EXISTS (SELECT 1 FROM api_keys k WHERE k.user_id = u.id \
            AND k.revoked_at IS NULL))",
    },
    Law {
        id: "A-10",
        description: "every webhook has a secret that signs",
        violations: "SELECT COUNT(*) AS n FROM webhooks w WHERE NOT EXISTS \
            (SELECT 1 FROM webhook_secrets s WHERE s.webhook_id = w.id AND s.expires_at IS NULL)",
    },
];
