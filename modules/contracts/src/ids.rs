//! A type for each kind of id, so that one cannot be taken for another.

use kernel::Id;

pub enum ApiKey {}
pub enum Backorder {}
pub enum Bill {}
pub enum BillLine {}
pub enum Category {}
pub enum CreditNote {}
pub enum Customer {}
pub enum Export {}
pub enum Identity {}
pub enum Import {}
pub enum Invoice {}
pub enum InvoiceLine {}
pub enum JournalEntry {}
pub enum Location {}
pub enum Lot {}
pub enum Order {}
pub enum OrderLine {}
pub enum Passkey {}
pub enum Payment {}
pub enum PeriodLock {}
pub enum PickingList {}
pub enum PriceList {}
pub enum Product {}
pub enum ProductTemplate {}
pub enum PurchaseOrder {}
pub enum PurchaseOrderLine {}
pub enum PutAwayRule {}
pub enum Quotation {}
pub enum QuotationLine {}
pub enum Receipt {}
pub enum Refund {}
pub enum Relocation {}
pub enum ReorderRule {}
pub enum Reservation {}
pub enum Return {}
pub enum Role {}
pub enum Session {}
pub enum Shipment {}
pub enum StockCount {}
pub enum StockMove {}
pub enum StockPeriod {}
pub enum Supplier {}
pub enum User {}
pub enum Warehouse {}
pub enum Webhook {}
pub enum WebhookDelivery {}

pub type ApiKeyId = Id<ApiKey>;
pub type BackorderId = Id<Backorder>;
pub type BillId = Id<Bill>;
pub type BillLineId = Id<BillLine>;
pub type CategoryId = Id<Category>;
pub type CreditNoteId = Id<CreditNote>;
pub type CustomerId = Id<Customer>;
pub type ExportId = Id<Export>;
pub type IdentityId = Id<Identity>;
pub type ImportId = Id<Import>;
pub type InvoiceId = Id<Invoice>;
pub type InvoiceLineId = Id<InvoiceLine>;
pub type JournalEntryId = Id<JournalEntry>;
pub type LocationId = Id<Location>;
pub type LotId = Id<Lot>;
pub type OrderId = Id<Order>;
pub type OrderLineId = Id<OrderLine>;
pub type PasskeyId = Id<Passkey>;
pub type PaymentId = Id<Payment>;
pub type PeriodLockId = Id<PeriodLock>;
pub type PickingListId = Id<PickingList>;
pub type PriceListId = Id<PriceList>;
pub type ProductId = Id<Product>;
pub type ProductTemplateId = Id<ProductTemplate>;
pub type PurchaseOrderId = Id<PurchaseOrder>;
pub type PurchaseOrderLineId = Id<PurchaseOrderLine>;
pub type PutAwayRuleId = Id<PutAwayRule>;
pub type QuotationId = Id<Quotation>;
pub type QuotationLineId = Id<QuotationLine>;
pub type ReceiptId = Id<Receipt>;
pub type RefundId = Id<Refund>;
pub type RelocationId = Id<Relocation>;
pub type ReorderRuleId = Id<ReorderRule>;
pub type ReservationId = Id<Reservation>;
pub type ReturnId = Id<Return>;
pub type RoleId = Id<Role>;
pub type SessionId = Id<Session>;
pub type ShipmentId = Id<Shipment>;
pub type StockCountId = Id<StockCount>;
pub type StockMoveId = Id<StockMove>;
pub type StockPeriodId = Id<StockPeriod>;
pub type SupplierId = Id<Supplier>;
pub type UserId = Id<User>;
pub type WarehouseId = Id<Warehouse>;
pub type WebhookDeliveryId = Id<WebhookDelivery>;
pub type WebhookId = Id<Webhook>;
