//! What sales promises the other modules.

use async_trait::async_trait;
use contracts::sales::{
    CustomerInfo, FindCustomer, FindQuotation, HoldCredit, PriceLines, PricedLine,
    QuotationSnapshot, ReleaseCredit, Sales,
};
use kernel::{Ctx, Result};

use crate::service::Service;
use crate::service::customers::{customer_info, known_customer};

#[async_trait]
impl Sales for Service {
    async fn customer(&self, _: &Ctx, request: FindCustomer) -> Result<CustomerInfo> {
        customer_info(&known_customer(self.db.read(), request.id).await?)
    }

    async fn price_lines(&self, _: &Ctx, request: PriceLines) -> Result<Vec<Option<PricedLine>>> {
        let PriceLines { customer_id, currency, on, lines } = request;
        self.price(customer_id, currency, on, &lines).await
    }

    async fn accepted_quotation(
        &self,
        _: &Ctx,
        request: FindQuotation,
    ) -> Result<QuotationSnapshot> {
        self.accepted_snapshot(request).await
    }

    async fn hold_credit(&self, ctx: &Ctx, request: HoldCredit) -> Result<()> {
        self.take_hold(ctx, request).await
    }

    async fn release_credit(&self, ctx: &Ctx, request: ReleaseCredit) -> Result<()> {
        self.give_hold_back(ctx, request).await
    }
}
