"""Documents in the admin: written and deleted by the services that everybody uses."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import capabilities
from accounts.permissions import admit
from chat.errors import OutOfRange
from chat.memory.by_hand import delete_by_hand, write_by_hand
from chat.memory.documents import check_content, check_name, is_personal, list_documents
from chat.models import MemoryChunk, MemoryDocument


class DocumentForm(forms.ModelForm):  # type: ignore[type-arg] # generic in the stubs alone
    content = forms.CharField(
        required=False, strip=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 30})
    )

    class Meta:
        model = MemoryDocument
        fields = ("owner", "name", "content")
        help_texts = {
            "owner": "The id of the user whose it is; empty for what all share",
            "name": "A path that ends in .md. USER.md, MEMORY.md and memory/… are a user's",
        }

    def clean_content(self) -> str:
        """Browsers end lines as no document does."""
        content: str = self.cleaned_data["content"].replace("\r\n", "\n")
        return _checked(check_content, content)

    def clean_name(self) -> str:
        return _checked(check_name, self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        name = cleaned.get("name")
        if name is not None and is_personal(name) != bool(cleaned.get("owner")):
            self.add_error(
                "owner", "is a user for USER.md, MEMORY.md and memory/…, and empty for all else"
            )
        return cleaned


def _checked(check: Any, value: str) -> str:
    try:
        check(value)
    except OutOfRange as error:
        raise forms.ValidationError(str(error)) from None
    return value


class _ReadOnly(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(MemoryDocument)
class MemoryDocumentAdmin(ModelAdmin):  # type: ignore[misc] # unfold has no type information
    form = DocumentForm
    list_display = ("name", "owner", "updated_at", "updated_by", "written_by_run")
    search_fields = ("name", "=owner")
    search_help_text = "a part of the name, or an owner's id in full"
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    record = ("updated_at", "updated_by", "written_by_run", "is_searched")

    def get_queryset(self, request: HttpRequest) -> QuerySet[MemoryDocument]:
        return list_documents()

    def get_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return (*DocumentForm.Meta.fields, *(self.record if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return ("owner", "name", *self.record) if obj else ()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            admit(request, capabilities.SETTINGS_MANAGE)
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        return response

    def save_model(
        self, request: HttpRequest, obj: MemoryDocument, form: DocumentForm, change: bool
    ) -> None:
        stored = write_by_hand(
            obj.owner, obj.name, form.cleaned_data["content"], actor=str(request.user.pk)
        )
        obj.__dict__.update(stored.__dict__)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Documents alone: their chunks follow, and nobody deletes those by themselves."""
        names = [str(document) for document in objs]
        return names, {str(MemoryDocument._meta.verbose_name_plural): len(names)}, set(), []

    def delete_model(self, request: HttpRequest, obj: MemoryDocument) -> None:
        caller = admit(request, capabilities.SETTINGS_MANAGE)
        delete_by_hand(obj.owner, obj.name, actor=caller.actor)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MemoryDocument]) -> None:
        for document in queryset:
            self.delete_model(request, document)

    @admin.display(description="written by run")
    def written_by_run(self, document: MemoryDocument) -> str:
        if not document.run_id:
            return "–"
        address = reverse("admin:runs_run_change", args=[document.run_id])
        return format_html('<a href="{}">{}</a>', address, document.run_id)

    @admin.display(description="searched as")
    def is_searched(self, document: MemoryDocument) -> str:
        address = reverse("admin:chat_memorychunk_changelist")
        count = document.chunks.count()
        return format_html(
            '<a href="{}?document__id__exact={}">{} chunks</a>', address, document.pk, count
        )


@admin.register(MemoryChunk)
class MemoryChunkAdmin(_ReadOnly):
    """What search finds. It follows from the documents, so nobody edits it."""

    list_display = ("document", "owner", "line_start", "line_end", "embedding_model")
    list_select_related = ("document",)
    list_filter = (("document", admin.RelatedOnlyFieldListFilter),)
    ordering = ("document_id", "number")
    sortable_by = ()
    list_per_page = 50
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = ("document", "owner", "line_start", "line_end", "text", "embedding_model")
    readonly_fields = fields
